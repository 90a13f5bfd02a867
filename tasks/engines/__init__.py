"""How a step is done: calls as data, one runner, and the engines behind one interface."""
