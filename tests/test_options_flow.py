"""The options flow."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator

from .conftest import SetUp, until
from .flow_steps import fields, open_options, submit_options, suggested_values


async def test_options_add_a_car(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    form = await open_options(hass, watching_entry, "add_car")
    form = await submit_options(hass, form, name=" ", model="modely")
    assert form["errors"] == {"name": "no_name"}
    await submit_options(hass, form, name="Bo", model="modely", year=2022)
    assert list(watching_entry.options["cars"]) == ["ada", "cy", "bo"]
    assert watching_entry.options["cars"]["bo"] == {
        "name": "Bo",
        "model": "modely",
        "year": 2022,
    }
    assert watching_entry.options["hosts"]


async def test_options_change_a_car(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    form = await open_options(hass, watching_entry, "change_car")
    form = await submit_options(hass, form, car="cy")
    assert form["step_id"] == "car"
    assert suggested_values(form) == {
        "name": "Cy",
        "model": "models",
        "year": 2018,
        "key": "fob",
    }
    form = await submit_options(hass, form, name=" ", model="models", remove=False)
    assert form["errors"] == {"name": "no_name"}
    await submit_options(
        hass, form, name="Cyd", model="models", year=2018, key="keycard", remove=False
    )
    assert watching_entry.options["cars"]["cy"] == {
        "name": "Cyd",
        "model": "models",
        "year": 2018,
        "key": "keycard",
    }


async def test_options_remove_cars(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    for car in ("ada", "cy"):
        form = await open_options(hass, watching_entry, "change_car")
        form = await submit_options(hass, form, car=car)
        await submit_options(hass, form, name="Any", model="models", remove=True)
        assert car not in watching_entry.options["cars"]
    menu = await hass.config_entries.options.async_init(watching_entry.entry_id)
    assert menu["menu_options"] == ["add_car", "notifications", "hosts"]


async def test_options_keys(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    await set_up(compatible_entry)
    await until(hass, lambda: len(compatible_entry.runtime_data.vehicles) == 2)
    vins = {
        car.vehicle.name: vin
        for vin, car in compatible_entry.runtime_data.vehicles.items()
    }
    form = await open_options(hass, compatible_entry, "keys")
    assert fields(form) == {"Ada", "Cy"}
    await submit_options(hass, form, Ada="fob", Cy="keycard")
    await hass.async_block_till_done()
    assert compatible_entry.options["cars"] == {
        vins["Ada"]: {"key": "fob"},
        vins["Cy"]: {"key": "keycard"},
    }
    assert (
        compatible_entry.runtime_data.vehicles[vins["Cy"]].vehicle.physical_key
        == "keycard"
    )


async def test_options_key_places(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    await set_up(watching_entry)
    cars = dict(watching_entry.options["cars"])
    form = await open_options(hass, watching_entry, "key_places")
    assert fields(form) == {"Ada", "Cy"}
    await submit_options(hass, form, Ada="wallet", Cy="car")
    await hass.async_block_till_done()
    assert watching_entry.options["cars"] == {
        "ada": {**cars["ada"], "key_place": "wallet"},
        "cy": {**cars["cy"], "key_place": "car"},
    }
    vehicles = watching_entry.runtime_data.vehicles
    assert vehicles["ada"].vehicle.key_place == "wallet"
    # Changing a car keeps its place, and an empty answer removes it.
    form = await open_options(hass, watching_entry, "change_car")
    form = await submit_options(hass, form, car="cy")
    await submit_options(hass, form, name="Abe", model="models", remove=False)
    await hass.async_block_till_done()
    assert watching_entry.options["cars"]["cy"]["key_place"] == "car"
    form = await open_options(hass, watching_entry, "key_places")
    assert suggested_values(form) == {"Ada": "wallet", "Abe": "car"}
    schema = form["data_schema"]
    assert schema is not None
    assert [str(field) for field in schema.schema] == ["Abe", "Ada"]
    await submit_options(hass, form, Ada="wallet")
    await hass.async_block_till_done()
    assert "key_place" not in watching_entry.options["cars"]["cy"]
    vehicles = watching_entry.runtime_data.vehicles
    assert vehicles["cy"].vehicle.key_place is None


async def test_options_keys_of_cars_of_one_name(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    await set_up(compatible_entry)
    await until(hass, lambda: len(compatible_entry.runtime_data.vehicles) == 2)
    cars = [car.vehicle for car in compatible_entry.runtime_data.vehicles.values()]
    for car in cars:
        car.name = "Car"
    form = await open_options(hass, compatible_entry, "keys")
    assert fields(form) == {f"Car ({car.id[-6:]})" for car in cars}


async def test_options_keys_without_cars(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    simulator.set("eu.api", "503 no")
    await set_up(compatible_entry)
    result = await open_options(hass, compatible_entry, "keys")
    assert result["reason"] == "no_cars"

    assert await hass.config_entries.async_unload(compatible_entry.entry_id)
    result = await open_options(hass, compatible_entry, "keys")
    assert result["reason"] == "not_loaded"


async def test_options_hosts(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    before = dict(watching_entry.options)
    form = await open_options(hass, watching_entry, "hosts")
    assert form["step_id"] == "hosts"
    schema = form["data_schema"]
    assert schema is not None
    assert [str(key) for key in schema.schema][:3] == ["eu", "na", "cn"]
    assert suggested_values(form)["eu"] == before["hosts"]["eu"]
    assert suggested_values(form)["sign_in"] == before["sign_in"]

    form = await submit_options(
        hass,
        form,
        eu="nonsense",
        na="http://na.example.org",
        sign_in=["http://sign-in.example.org/token"],
        unrelated=["ftp://example.org"],
        defaults=False,
    )
    assert form["errors"] == {
        "eu": "invalid_url",
        "na": "not_encrypted",
        "sign_in": "not_encrypted",
        "unrelated": "invalid_url",
    }
    assert suggested_values(form)["eu"] == "nonsense"

    await submit_options(
        hass,
        form,
        eu=" https://eu.example.org/ ",
        na="",
        sign_in=["https://sign-in.example.org/token"],
        unrelated=["http://unrelated.example.org/ok"],
        defaults=False,
    )
    assert watching_entry.options == {
        "cars": before["cars"],
        "notifications": {},
        "hosts": {"eu": "https://eu.example.org"},
        "sign_in": ["https://sign-in.example.org/token"],
        "unrelated": ["http://unrelated.example.org/ok"],
    }

    # Empty lists disable probes, empty regions reset to their default.
    form = await open_options(hass, watching_entry, "hosts")
    await submit_options(hass, form, unrelated=[], sign_in=[], defaults=False)
    assert watching_entry.options == {
        "cars": before["cars"],
        "notifications": {},
        "sign_in": [],
        "unrelated": [],
    }

    form = await open_options(hass, watching_entry, "hosts")
    assert suggested_values(form)["unrelated"] == []
    await submit_options(hass, form, defaults=True)
    assert watching_entry.options == {
        "cars": before["cars"],
        "notifications": {},
    }


async def test_removed_cars_take_their_devices_along(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    await set_up(watching_entry)
    registry = dr.async_get(hass)

    def devices() -> set[str | None]:
        return {
            device.name
            for device in dr.async_entries_for_config_entry(
                registry, watching_entry.entry_id
            )
        }

    assert devices() == {"Tesla cloud", "Ada", "Cy"}
    form = await open_options(hass, watching_entry, "change_car")
    form = await submit_options(hass, form, car="cy")
    await submit_options(hass, form, name="Cy", model="models", remove=True)
    await hass.async_block_till_done()
    assert devices() == {"Tesla cloud", "Ada"}


async def test_options_limit_the_monthly_cost(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    form = await open_options(hass, account, "budget")
    assert fields(form) == {"budget"}
    assert suggested_values(form) == {}
    await submit_options(hass, form, budget=2.5)
    await hass.async_block_till_done()
    assert account.options["budget"] == 2.5
    assert account.runtime_data.usage.monthly_usage.budget == 2.5
    # Other options do not change it.
    form = await open_options(hass, account, "hosts")
    hosts = {**suggested_values(form), "unrelated": []}
    await submit_options(hass, form, **hosts, defaults=False)
    await hass.async_block_till_done()
    assert account.options["unrelated"] == []
    assert account.options["budget"] == 2.5


async def test_options_change_the_pace_of_data_without_a_reload(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    data = account.runtime_data
    before = dict(account.options)
    assert "pace" not in before
    form = await open_options(hass, account, "pace")
    assert fields(form) == {"pace"}
    assert (schema := form["data_schema"]) is not None
    assert schema({}) == {"pace": "balanced"}
    result = await submit_options(hass, form, pace="cheaper")
    assert result["type"] == "create_entry"
    await hass.async_block_till_done()
    assert account.options == {**before, "pace": "cheaper"}
    assert account.runtime_data is data
    form = await open_options(hass, account, "pace")
    assert (schema := form["data_schema"]) is not None
    assert schema({}) == {"pace": "cheaper"}


async def test_options_take_a_budget_away(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    before = dict(account.options)
    hass.config_entries.async_update_entry(account, options={**before, "budget": 9.0})
    form = await open_options(hass, account, "budget")
    assert suggested_values(form) == {"budget": 9.0}
    await submit_options(hass, form)
    await hass.async_block_till_done()
    assert account.options == before
    assert account.runtime_data.usage.monthly_usage.budget is None


async def test_options_enable_the_location_away_from_home(
    hass: HomeAssistant, simulator: Simulator, compatible_entry: MockConfigEntry
) -> None:
    compatible_entry.add_to_hass(hass)
    for allowed in (True, False):
        form = await open_options(hass, compatible_entry, "location")
        before = compatible_entry.options.get("location_away", False)
        assert before is not allowed
        result = await submit_options(hass, form, location_away=allowed)
        assert result["type"] == "create_entry"
        assert compatible_entry.options["location_away"] is allowed
        assert "hosts" in compatible_entry.options


async def test_options_offer_a_budget_only_where_calls_have_a_price(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    async def offered() -> object:
        menu = await hass.config_entries.options.async_init(compatible_entry.entry_id)
        hass.config_entries.options.async_abort(menu["flow_id"])
        return menu["menu_options"]

    compatible_entry.add_to_hass(hass)
    first = ["notifications", "keys", "key_places", "leave_out", "location"]
    assert await offered() == [*first, "hosts"]
    await set_up(compatible_entry)
    assert await offered() == [*first, "pace", "budget", "hosts"]
    # A proxy may have its own prices.
    hass.config_entries.async_update_entry(
        compatible_entry,
        data={**compatible_entry.data, "base_url": simulator.urls["proxy"]},
    )
    assert await hass.config_entries.async_reload(compatible_entry.entry_id)
    assert await offered() == [*first, "pace", "hosts"]
    cost = hass.states.get("sensor.tesla_cloud_estimated_cost_this_month")
    assert cost is not None
    assert cost.state == "unknown"
    assert cost.attributes["billing"] == "unknown"
    assert cost.attributes["commands"] == 0
