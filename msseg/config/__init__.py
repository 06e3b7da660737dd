"""The configuration of an experiment: strict models, reading and checking YAML files, the settings that are shipped."""
