"""The few products whose fastest form depends on the machine; each has one signature."""
