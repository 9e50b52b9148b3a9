"""A stand-in for pulumi-resource-docker 5.2.0, for machines where the official plugin cannot be had.

It implements what this project uses of Network, Volume, Container, Image and RemoteImage, as the official plugin
was seen to behave, and refuses everything else by name. A program that runs on it runs on the official plugin.
"""
