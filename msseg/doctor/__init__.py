"""The data doctor: what is wrong with a data set, said before a network is trained on it."""
