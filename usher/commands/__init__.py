"""The commands of no single service, each loaded when it is asked for."""
