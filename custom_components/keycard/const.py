"""Constants of Keycard: the fields of an entry beside Home Assistant's own."""

from typing import Final

DOMAIN: Final = "keycard"

# A minor version only adds to what an entry holds
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

# Nobody speaks for their cars: the owner names them, in the options
NO_ACCOUNT: Final = frozenset({PROVIDER_WATCH_ONLY, PROVIDER_BLUETOOTH_ONLY})

# A subentry for each car that knows the Bluetooth key of this home; its unique id is
# the VIN. Data: CONF_ADDRESS, under which the car was heard last, CONF_COMPUTERS, the
# public keys of its computers when it was paired, and CONF_WAS, its id among the cars
# of the options until it was paired, if it still goes by that
SUBENTRY_BLUETOOTH_KEY: Final = "bluetooth_key"
CONF_COMPUTERS: Final = "computers"
CONF_PREVIOUS_ID: Final = "was"

# Data: also CONF_REGION, CONF_TOKEN and, for an application of the owner's, CONF_DOMAIN
CONF_PROVIDER: Final = "provider"
CONF_BASE_URL: Final = "base_url"
# The moves between regions of the last day, each with CONF_BASE_URL and its time
CONF_MOVES: Final = "moves"
CONF_IMPLEMENTATION: Final = "auth_implementation"
# Of a server of the user's own: the SHA-256 of the one certificate that it may show,
# in lower case; and, beside a sign-in with Tesla, its address and whether it takes all
# calls instead of the commands only
CONF_FINGERPRINT: Final = "fingerprint"
CONF_SERVER: Final = "server"
CONF_ALL_CALLS: Final = "all_calls"

# Options: also CONF_HOSTS
CONF_SIGN_IN: Final = "sign_in"
CONF_UNRELATED: Final = "unrelated"
CONF_CARS: Final = "cars"
CONF_BUDGET: Final = "budget"
CONF_LINK: Final = "link"
CONF_LEFT_OUT: Final = "left_out"
CONF_LOCATION_AWAY: Final = "location_away"

# One car of the options: also CONF_NAME and CONF_MODEL
CONF_YEAR: Final = "year"
CONF_KEY: Final = "key"
CONF_EXTERNAL: Final = "beside"

# Attributes of entities, of which triggers and conditions read some
ATTR_DRILL: Final = "drill"
ATTR_PROVISIONAL: Final = "provisional"
ATTR_REACHABLE: Final = "reachable"
ATTR_SINCE: Final = "since"

# A device that another integration made: also CONF_DOMAIN and CONF_DEVICE_ID
CONF_IDENTIFIERS: Final = "identifiers"

MODEL_NAMES: Final = {
    "model3": "Model 3",
    "modely": "Model Y",
    "models": "Model S",
    "modelx": "Model X",
    "cybertruck": "Cybertruck",
}
