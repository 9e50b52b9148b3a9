"""Consul: `cluster` declares it, `agent` says what one agent is told, `tokens` who may do what."""

from components.consul.cluster import ConsulCluster

__all__ = ["ConsulCluster"]
