"""How a step is done: the engines behind one interface, and the one runner of their calls."""
