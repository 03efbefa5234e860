// Cards and dashboard strategy of Keycard. No build step, no dependency.

// The whole dashboard: it follows vehicles, names and enabled entities by itself.
class KeycardDashboardStrategy extends HTMLElement {
  static registryDependencies = ["entities", "devices"];

  static async generate(config, hass) {
    const { config_entry_id } = config;
    return hass.callWS({
      type: "keycard/dashboard",
      language: hass.language,
      ...(config_entry_id && { config_entry_id }),
    });
  }
}

window.customStrategies = window.customStrategies || [];
if (!window.customStrategies.some((strategy) => strategy.type === "keycard")) {
  window.customStrategies.push({
    type: "keycard",
    strategyType: "dashboard",
    name: "Keycard",
  });
}

const KEY_ICONS = {
  usual: "mdi:check-circle",
  keycard: "mdi:card-account-details",
  fob: "mdi:key-wireless",
};
const DAYS_INTERVAL_MS = 5 * 60 * 1000;
const GOOD_UPTIME = 99.9;
const FAIR_UPTIME = 99;

const element = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  // Names come from outside: they are text, never markup.
  if (text !== undefined) node.textContent = text;
  return node;
};

const vehicleName = (hass, entityId, fallback) => {
  const device = hass.devices?.[hass.entities?.[entityId]?.device_id];
  return device?.name_by_user || device?.name || fallback || entityId;
};

// Key to take for one vehicle, large enough to read from across a room.
class KeycardKeyCard extends HTMLElement {
  static getStubConfig() {
    return { entity: "", labels: {} };
  }

  setConfig(config) {
    if (!config.entity) throw new Error("entity is missing");
    this._config = config;
    this._shown = undefined;
    if (this._hass) this._update();
  }

  set hass(hass) {
    this._hass = hass;
    this._update();
  }

  getCardSize() {
    return 3;
  }

  getGridOptions() {
    return { columns: "full", min_columns: 6, rows: "auto" };
  }

  _update() {
    if (!this._config) return;
    const hass = this._hass;
    const { entity, labels = {}, name } = this._config;
    const state = hass.states[entity];
    const key = state?.state;
    const text = labels[key] ?? (state ? hass.formatEntityState(state) : "–");
    const drill = state?.attributes.drill ? (labels.drill ?? "") : "";
    const title = vehicleName(hass, entity, name);
    const shown = JSON.stringify([key, text, drill, title]);
    if (shown === this._shown) return;
    this._shown = shown;
    this._render(key, text, drill, title);
  }

  _render(key, text, drill, title) {
    if (!this.shadowRoot) this.attachShadow({ mode: "open" });
    const level =
      key === "usual" ? "usual" : key in KEY_ICONS ? "take" : "unknown";
    const card = element("button", `banner ${level}`);
    card.type = "button";
    card.setAttribute(
      "aria-label",
      [drill, title, text].filter(Boolean).join(": "),
    );
    card.addEventListener("click", () =>
      this.dispatchEvent(
        new CustomEvent("hass-more-info", {
          bubbles: true,
          composed: true,
          detail: { entityId: this._config.entity },
        }),
      ),
    );
    const icon = element("ha-icon", "icon");
    icon.setAttribute("icon", KEY_ICONS[key] ?? "mdi:help-circle");
    const words = element("span", "words");
    const first = element("span", "first");
    first.append(element("span", "name", title));
    if (drill) first.append(element("span", "drill", drill));
    words.append(first, element("span", "key", text));
    card.append(icon, words);
    const style = element("style");
    style.textContent = KEY_STYLE;
    this.shadowRoot.replaceChildren(style, card);
  }
}

const KEY_STYLE = `
  :host { display: block; container-type: inline-size; }
  .banner {
    display: flex; align-items: center; gap: clamp(12px, 2.5cqi, 32px);
    width: 100%; box-sizing: border-box; border: 0; cursor: pointer;
    padding: clamp(8px, 1cqi, 14px) clamp(14px, 2.5cqi, 32px);
    border-radius: var(--ha-card-border-radius, 12px);
    font: inherit; text-align: start; color: #fff;
  }
  .banner:focus-visible {
    outline: 3px solid var(--primary-text-color); outline-offset: 2px;
  }
  .usual { background: color-mix(in srgb, var(--success-color, #43a047) 75%, #000); }
  .take { background: color-mix(in srgb, var(--error-color, #db4437) 85%, #000); }
  .unknown { background: color-mix(in srgb, var(--secondary-text-color) 80%, #000); }
  .icon { --mdc-icon-size: clamp(40px, 6.5cqi, 84px); flex: none; }
  .words { display: flex; flex-direction: column; min-width: 0; }
  .first { display: flex; align-items: center; gap: 12px; min-width: 0; }
  .name {
    font-size: clamp(20px, 2.6cqi, 34px); line-height: 1.2; font-weight: 500;
    overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  }
  .drill {
    font-size: clamp(14px, 1.6cqi, 22px); font-weight: 600; padding: 0 10px;
    border: 2px solid currentColor; border-radius: 999px; flex: none;
  }
  .key {
    font-size: clamp(34px, 7cqi, 88px); line-height: 1.16; font-weight: 700;
    overflow-wrap: anywhere;
  }
`;

// One bar for each of the last days, from 0 to 100 percent, colored by its value.
class KeycardUptimeCard extends HTMLElement {
  setConfig(config) {
    if (!config.entity || !config.config_entry_id) {
      throw new Error("entity and config_entry_id are required");
    }
    this._config = config;
    this._requestedAt = 0;
    if (this._hass) this._request();
  }

  set hass(hass) {
    const state = hass.states[this._config?.entity];
    const changed = state !== this._state;
    this._hass = hass;
    this._state = state;
    if (changed && this._days) this._render();
    this._request();
  }

  getCardSize() {
    return 3;
  }

  getGridOptions() {
    return { columns: "full", min_columns: 6, rows: "auto" };
  }

  async _request() {
    if (Date.now() - this._requestedAt < DAYS_INTERVAL_MS) return;
    this._requestedAt = Date.now();
    try {
      const { days } = await this._hass.callWS({
        type: "keycard/uptime",
        config_entry_id: this._config.config_entry_id,
        days: this._config.days ?? 30,
      });
      this._days = days;
    } catch {
      // The entry is not loaded: the next update asks again.
      this._requestedAt = Date.now() - DAYS_INTERVAL_MS + 10000;
      this._days ??= [];
    }
    this._render();
  }

  _format(number, digits) {
    return new Intl.NumberFormat(this._hass.locale?.language, {
      maximumFractionDigits: digits,
    }).format(number);
  }

  _describe(day) {
    const locale = this._hass.locale?.language;
    const date = new Date(`${day.date}T00:00:00`).toLocaleDateString(locale, {
      day: "numeric",
      month: "short",
    });
    const hours = (this._config.labels?.watched ?? "{hours} h").replace(
      "{hours}",
      this._format(day.watched_hours, 1),
    );
    const uptime =
      day.uptime === null ? "–" : `${this._format(day.uptime, 2)} %`;
    return `${date}: ${uptime} (${hours})`;
  }

  _render() {
    if (!this.shadowRoot) this.attachShadow({ mode: "open" });
    const card = element("ha-card", "card");
    const head = element("div", "head");
    head.append(element("span", "title", this._config.labels?.title ?? ""));
    if (this._state) {
      head.append(
        element("span", "value", this._hass.formatEntityState(this._state)),
      );
    }
    const chart = element("div", "chart");
    chart.setAttribute("role", "list");
    let watched = 0;
    for (const day of this._days) {
      watched += day.watched_hours;
      const column = element("div", "day");
      column.setAttribute("role", "listitem");
      const description = this._describe(day);
      column.title = description;
      column.setAttribute("aria-label", description);
      const bar = element("div", `bar ${uptimeLevel(day.uptime)}`);
      bar.style.height = `${day.uptime ?? 100}%`;
      column.append(bar);
      chart.append(column);
    }
    const foot = (this._config.labels?.watched ?? "{hours} h").replace(
      "{hours}",
      `${this._format(watched, 0)} / ${this._format(24 * this._days.length, 0)}`,
    );
    card.append(head, chart, element("div", "foot", foot));
    const style = element("style");
    style.textContent = UPTIME_STYLE;
    this.shadowRoot.replaceChildren(style, card);
  }
}

const uptimeLevel = (uptime) => {
  if (uptime === null) return "none";
  if (uptime >= GOOD_UPTIME) return "good";
  return uptime >= FAIR_UPTIME ? "fair" : "poor";
};

const UPTIME_STYLE = `
  :host { display: block; }
  .card { padding: 12px 16px; }
  .head {
    display: flex; justify-content: space-between; gap: 12px;
    color: var(--primary-text-color); font-size: 16px; font-weight: 500;
  }
  .value { white-space: nowrap; }
  .chart { display: flex; align-items: flex-end; gap: 2px; height: 72px; margin: 10px 0 8px; }
  .day {
    flex: 1; min-width: 2px; height: 100%; display: flex; align-items: flex-end;
    background: var(--divider-color); border-radius: 2px; overflow: hidden;
  }
  .bar { width: 100%; min-height: 2px; }
  .good { background: var(--success-color, #43a047); }
  .fair { background: var(--warning-color, #ffa600); }
  .poor { background: var(--error-color, #db4437); }
  .none { background: var(--disabled-color, #bdbdbd); opacity: 0.5; }
  .foot { color: var(--secondary-text-color); font-size: 14px; }
`;

const define = (name, type) => {
  if (!customElements.get(name)) customElements.define(name, type);
};

const register = () => {
  define("ll-strategy-dashboard-keycard", KeycardDashboardStrategy);
  define("keycard-key-card", KeycardKeyCard);
  define("keycard-uptime-card", KeycardUptimeCard);
  // A page that has waited in vain shows an error: let it load its dashboard again.
  const root = ["home-assistant-main", "ha-panel-lovelace", "hui-root"].reduce(
    (element, name) => element?.shadowRoot?.querySelector(name),
    document.querySelector("home-assistant"),
  );
  if (root?.lovelace?.rawConfig?.strategy?.type === "custom:keycard") {
    root.dispatchEvent(new CustomEvent("config-refresh"));
  }
};

// Home Assistant replaces the registry of elements when it starts: elements that were
// defined before do not exist for it.
customElements.whenDefined("home-assistant").then(register);
