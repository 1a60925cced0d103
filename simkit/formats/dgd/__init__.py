"""DynamoGraphDeployments: rendered, read back, checked."""
