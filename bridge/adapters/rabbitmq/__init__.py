"""RabbitMQ: the job queue, the status exchange, and what clients need of them."""

from bridge.adapters.rabbitmq.batch import Outgoing
from bridge.adapters.rabbitmq.confirms import Confirmation
from bridge.adapters.rabbitmq.consumer import Consumer, ControlConsumer
from bridge.adapters.rabbitmq.declare import declare_topology
from bridge.adapters.rabbitmq.events import RabbitEventSink
from bridge.adapters.rabbitmq.listener import Listener
from bridge.adapters.rabbitmq.publisher import Publisher

__all__ = [
    "Confirmation",
    "Consumer",
    "ControlConsumer",
    "Listener",
    "Outgoing",
    "Publisher",
    "RabbitEventSink",
    "declare_topology",
]
