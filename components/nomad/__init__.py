"""Nomad: `cluster` declares it, `agent` says what one agent is told."""

from components.nomad.cluster import NomadCluster

__all__ = ["NomadCluster"]
