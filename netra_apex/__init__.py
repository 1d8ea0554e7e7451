"""The composition root: builds the services and the `apex` command."""
