"""What tests of this project and of its users stand on: base classes, fixtures, conformance suites."""
