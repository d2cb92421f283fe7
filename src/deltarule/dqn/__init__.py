"""Deep Q-learning: the agent, its replay memory, its exploration, and its environments."""
