"""The queues of a site."""

from functools import partial

from bridge.adapters.rabbitmq.reader import QueueReader, Subscription
from bridge.adapters.rabbitmq.topology import site_topology
from bridge.core.settings import BrokerSettings


class Consumer(QueueReader):
    """Fulfils ports.DeliverySource over the site's job queue."""

    def __init__(self, settings: BrokerSettings, site: str) -> None:
        subscribe = partial(_subscription, settings, site, settings.jobs_queue(site))
        super().__init__(settings, subscribe, name=f"{settings.namespace} {site} consumer")


class ControlConsumer(QueueReader):
    """Fulfils ports.DeliverySource over the site's control queue."""

    def __init__(self, settings: BrokerSettings, site: str) -> None:
        subscribe = partial(_subscription, settings, site, settings.control_queue(site))
        super().__init__(settings, subscribe, name=f"{settings.namespace} {site} control")


def _subscription(settings: BrokerSettings, site: str, queue: str) -> Subscription:
    return Subscription(queue=queue, topology=site_topology(settings, site))
