"""What is done to a collection as a whole, now and then: its graph is built and measured."""
