"""The compiled event loop of the simulator, and the arrays that it works on."""
