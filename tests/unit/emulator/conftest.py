"""The emulator and the clients of its API that these tests use."""

from tests.kit.emulator_fixtures import api, cities, client, countries, geobox

__all__ = ["api", "cities", "client", "countries", "geobox"]
