"""A STAND-IN for tests, not Shifter: ``shifter`` and ``shifterimg`` for a site that has neither.

It takes Shifter's options, follows its documented rules for volumes and environment, and runs the
command with Charliecloud in a root folder that lies on this machine. There is no image gateway.
"""
