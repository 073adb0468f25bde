"""Values, errors and checks that every other part of the client uses."""
