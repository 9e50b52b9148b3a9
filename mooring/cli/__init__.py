"""The operator's commands; what Pulumi does already is handed to Pulumi."""
