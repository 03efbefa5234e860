// Shows pages the time of the demo, whose scenario starts in the past and runs fast.

const realNow = Date.now;
let offset = 0;
const now = () => realNow() + offset;
const follow = (moment) => {
  offset = Date.parse(moment) - realNow();
};

Date.now = now;
globalThis.Date = new Proxy(Date, {
  construct: (target, values, newTarget) =>
    Reflect.construct(target, values.length ? values : [now()], newTarget),
  apply: () => new Date().toString(),
});

const { headers } = await fetch(import.meta.url, { method: "HEAD", cache: "no-store" });
follow(headers.get("Date"));
// Home Assistant's page sets it when it connects.
while (!window.hassConnection) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
const { conn } = await window.hassConnection;
conn.subscribeEvents((event) => follow(event.time_fired), "state_changed");
