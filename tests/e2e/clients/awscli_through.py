"""A plug-in for awscli that sends what it signed to penstock."""

from through import rewrite


def awscli_initialize(cli):
    cli.register_last("before-send.s3", rewrite)
