# SPDX-License-Identifier: Apache-2.0
"""What an exporter offers beside labgrid's own NetworkSerialPort (the console): the BMC and the analyser.

Exporters need no code of ours for them: a class that they do not know is handed to the clients as it stands in their file.
"""

import attr
from labgrid.factory import target_factory
from labgrid.resource.common import NetworkResource, Resource


@target_factory.reg_resource
@attr.s(eq=False)
class VkbenchBmc(NetworkResource):
    """The server's management controller.

    Args:
        host (str): name or address
        kind (str): "ipmi" or "redfish"
        port (int): UDP port of IPMI or TCP port of Redfish; None: the protocol's own
    """

    kind = attr.ib(default="ipmi", validator=attr.validators.in_(("ipmi", "redfish")))
    port = attr.ib(default=None, validator=attr.validators.optional(attr.validators.instance_of(int)))


@target_factory.reg_resource
@attr.s(eq=False)
class VkbenchAnalyser(Resource):
    """The logic analyser beside the card.

    Args:
        resource (str): VISA resource, as TCPIP::HOST::PORT::SOCKET
    """

    resource = attr.ib(validator=attr.validators.instance_of(str))
