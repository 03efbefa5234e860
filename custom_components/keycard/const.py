"""Constants for Keycard."""

from typing import Final

DOMAIN: Final = "keycard"

# A minor version only adds fields to an entry
ENTRY_VERSION: Final = 1
ENTRY_MINOR_VERSION: Final = 1

MANUFACTURER: Final = "Tesla"
DASHBOARD: Final = "https://developer.tesla.com/dashboard"

PROVIDER_WATCH_ONLY: Final = "watch_only"
PROVIDER_COMPATIBLE: Final = "compatible"
PROVIDER_FLEET: Final = "fleet"
PROVIDER_TESLEMETRY: Final = "teslemetry"
PROVIDER_TESSIE: Final = "tessie"
PROVIDER_BLUETOOTH_ONLY: Final = "bluetooth_only"

# Without an account: the user adds the vehicles to the options
NO_ACCOUNT: Final = frozenset({PROVIDER_WATCH_ONLY, PROVIDER_BLUETOOTH_ONLY})

# A subentry per vehicle that is paired with the Bluetooth key of this home; its unique
# ID is the VIN. Data: CONF_ADDRESS, the last Bluetooth address, CONF_COMPUTERS, the
# public keys of the vehicle's computers when it was paired, and CONF_PREVIOUS_ID, the
# ID of the vehicle in the options until it was paired, if it is still in use
SUBENTRY_BLUETOOTH_KEY: Final = "bluetooth_key"
CONF_COMPUTERS: Final = "computers"
CONF_PREVIOUS_ID: Final = "was"

# A subentry per receiver of notifications; its unique ID is that of the receiver. Data:
# CONF_KIND, CONF_TARGET, the ID of a device or of an entity, CONF_WHEN and, if it
# belongs to one, CONF_PERSON
SUBENTRY_RECEIVER: Final = "receiver"
CONF_KIND: Final = "kind"
CONF_TARGET: Final = "target"
CONF_PERSON: Final = "person"
CONF_WHEN: Final = "when"

# Data: also CONF_REGION, CONF_TOKEN and, with the user's own application, CONF_DOMAIN
CONF_PROVIDER: Final = "provider"
CONF_BASE_URL: Final = "base_url"
# The region moves of the last day, each with CONF_BASE_URL and its time
CONF_MOVES: Final = "moves"
CONF_IMPLEMENTATION: Final = "auth_implementation"
# The user's own server: the SHA-256 of its pinned certificate, in lower case; and, with
# a sign-in at Tesla, its URL and whether it gets all calls instead of commands only
CONF_FINGERPRINT: Final = "fingerprint"
CONF_SERVER: Final = "server"
CONF_ALL_CALLS: Final = "all_calls"

# Options: also CONF_HOSTS
CONF_SIGN_IN: Final = "sign_in"
CONF_UNRELATED: Final = "unrelated"
CONF_CARS: Final = "cars"
CONF_BUDGET: Final = "budget"
CONF_PACE: Final = "pace"
CONF_LINK: Final = "link"
CONF_LEFT_OUT: Final = "left_out"
CONF_LOCATION_AWAY: Final = "location_away"
CONF_NOTIFICATIONS: Final = "notifications"

# The options of notifications
CONF_ENABLED: Final = "enabled"
CONF_WAIT: Final = "wait"
CONF_REMINDER: Final = "reminder"
CONF_QUIET: Final = "quiet"
CONF_QUIET_FROM: Final = "quiet_from"
CONF_QUIET_TO: Final = "quiet_to"
CONF_BREAKS: Final = "breaks_quiet"
CONF_WARNINGS: Final = "warnings"
CONF_ALL_CLEAR: Final = "all_clear"
# Whether the entry is from before there were receivers
CONF_BEFORE: Final = "before"

# A vehicle of the options: also CONF_NAME and CONF_MODEL
CONF_YEAR: Final = "year"
CONF_KEY: Final = "key"
CONF_KEY_PLACE: Final = "key_place"
CONF_EXTERNAL: Final = "beside"

# Attributes of entities, of which triggers and conditions read some
ATTR_DRILL: Final = "drill"
ATTR_PROVISIONAL: Final = "provisional"
ATTR_REACHABLE: Final = "reachable"
ATTR_SINCE: Final = "since"

# A device of another integration: also CONF_DOMAIN and CONF_DEVICE_ID
CONF_IDENTIFIERS: Final = "identifiers"

MODEL_NAMES: Final = {
    "model3": "Model 3",
    "modely": "Model Y",
    "models": "Model S",
    "modelx": "Model X",
    "cybertruck": "Cybertruck",
}
