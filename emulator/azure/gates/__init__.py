"""The gates: data planes that check tokens and roles before they let a request through to the raw parts."""
