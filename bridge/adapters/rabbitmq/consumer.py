"""The queues of a site."""

from functools import partial
from uuid import uuid4

from bridge.adapters.rabbitmq.reader import QueueReader, Subscription
from bridge.adapters.rabbitmq.topology import Queue, questions_topology, site_topology
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


class FrontEndConsumer(QueueReader):
    """Fulfils ports.DeliverySource over a queue that is a front end's own.

    It is declared as front ends do it, so that whoever comes first makes the same: durable, and
    nothing else. A broker's policy can give it a place for dead letters.
    """

    def __init__(self, settings: BrokerSettings, queue: str) -> None:
        subscription = Subscription(queue=queue, topology=(Queue(name=queue, durable=True),))
        super().__init__(
            settings, lambda: subscription, name=f"{settings.namespace} {queue} consumer"
        )


class QuestionConsumer(QueueReader):
    """Fulfils ports.DeliverySource over the questions that somebody asks of a site just now.

    Its queue is there only while it is: who asks a site that nobody serves is told so at once.
    """

    def __init__(self, settings: BrokerSettings, site: str) -> None:
        def subscribe() -> Subscription:
            # A new name each time: the broker may hold on to the old connection, and its queue.
            queue = f"{settings.questions_exchange}.{site}.{uuid4().hex}"
            topology = questions_topology(settings, site, queue=queue)
            return Subscription(queue=queue, topology=topology)

        super().__init__(settings, subscribe, name=f"{settings.namespace} {site} questions")


def _subscription(settings: BrokerSettings, site: str, queue: str) -> Subscription:
    return Subscription(queue=queue, topology=site_topology(settings, site))
