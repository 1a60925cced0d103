"""Where a deployment can be brought up."""
