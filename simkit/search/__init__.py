"""Which deployments to try, evaluated as one table, ranked and picked."""
