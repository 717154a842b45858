"""The job queue of a site."""

from functools import partial

from bridge.adapters.rabbitmq.reader import QueueReader, Subscription
from bridge.adapters.rabbitmq.topology import site_topology
from bridge.core.settings import BrokerSettings


class Consumer(QueueReader):
    """Fulfils ports.DeliverySource over the site's job queue."""

    def __init__(self, settings: BrokerSettings, site: str) -> None:
        subscription = Subscription(
            queue=settings.jobs_queue(site), topology=site_topology(settings, site)
        )
        super().__init__(
            settings, partial(_same, subscription), name=f"{settings.namespace} {site} consumer"
        )


def _same(subscription: Subscription) -> Subscription:
    return subscription
