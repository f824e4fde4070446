"""SIGKILL at every step: what tests/chaos/steps is made of. doomed.c is the daemon that dies when told to."""
