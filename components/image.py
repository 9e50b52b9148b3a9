"""An app's image: built when its folder changes and only then, pushed, and handed on by digest."""

import platform

import pulumi
import pulumi_docker as docker

from components.access import RegistryAccess
from mooring.kinds.host_image import Image as HostImage
from mooring.kinds.registry_copies import Copies
from mooring.toolchain import images, pins

LOCAL = "local:"
"""Marks a base image that is made on this machine, as in `local:nodejs`."""


class Image(pulumi.ComponentResource):
    """`reference` is the pushed image by its digest, so a job that uses it never changes behind anybody's back.

    `context` is relative to the program's folder: an absolute path would be a change in every other clone.
    """

    reference: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        context: str,
        base: str,
        registry: RegistryAccess,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("platform:image:Image", name, None, opts)
        needed = list(registry.ready)
        base_reference: pulumi.Input[str] = base
        if base.startswith(LOCAL):
            local = HostImage(
                f"{name}-base",
                connection=registry.builder_host.connection,
                reference=images.reference(base.removeprefix(LOCAL)),
                archive=str(images.archive(base.removeprefix(LOCAL))),
                opts=pulumi.ResourceOptions(parent=self, deleted_with=registry.builder_host.goes_with),
            )
            needed.append(local)
            base_reference = local.reference
        image = docker.Image(
            name,
            image_name=registry.address.apply(lambda address: f"{address}/{name}"),
            build=docker.DockerBuildArgs(
                context=context,
                args={"BASE": base_reference},
                platform=f"linux/{pins.architecture(platform.machine())}",
                builder_version=docker.BuilderVersion.BUILDER_V1,
            ),
            registry=docker.RegistryArgs(
                server=registry.address,
                username=registry.username,
                password=pulumi.Output.secret(registry.password),
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=registry.builder,
                depends_on=needed,
                deleted_with=registry.builder_host.goes_with,
            ),
        )
        self.reference = image.repo_digest if registry.authority is None else self._everywhere(name, image, registry)
        self.register_outputs({"reference": self.reference})

    def _everywhere(self, name: str, image: docker.Image, registry: RegistryAccess) -> pulumi.Output[str]:
        """The image, known once every registry of the stack holds it."""
        return Copies(
            f"{name}-copies",
            reference=image.repo_digest,
            registries=pulumi.Output.from_input(registry.registries).apply(list),
            username=registry.username,
            password=registry.password,
            authority=registry.authority or "",
            through=registry.through,
            patience=registry.patience,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=registry.builder_host.goes_with),
        ).reference
