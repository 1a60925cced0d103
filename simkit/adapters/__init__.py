"""The edge: engine flags, Dynamo documents, AIPerf commands."""
