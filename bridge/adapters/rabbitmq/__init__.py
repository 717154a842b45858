"""RabbitMQ: the job queue, the status exchange, and what clients need of them."""

from bridge.adapters.rabbitmq.batch import Outgoing
from bridge.adapters.rabbitmq.bookmark import Begin, Bookmark
from bridge.adapters.rabbitmq.confirms import Confirmation
from bridge.adapters.rabbitmq.consumer import (
    Consumer,
    ControlConsumer,
    FrontEndConsumer,
    QuestionConsumer,
)
from bridge.adapters.rabbitmq.declare import declare_topology
from bridge.adapters.rabbitmq.events import RabbitEventSink
from bridge.adapters.rabbitmq.history import HistoryReader
from bridge.adapters.rabbitmq.listener import Listener
from bridge.adapters.rabbitmq.passing import PassingListener
from bridge.adapters.rabbitmq.publisher import Publisher
from bridge.adapters.rabbitmq.returning import RabbitReturnChannel
from bridge.adapters.rabbitmq.topology import publishing_topology

__all__ = [
    "Begin",
    "Bookmark",
    "Confirmation",
    "Consumer",
    "ControlConsumer",
    "FrontEndConsumer",
    "HistoryReader",
    "Listener",
    "Outgoing",
    "PassingListener",
    "Publisher",
    "QuestionConsumer",
    "RabbitEventSink",
    "RabbitReturnChannel",
    "declare_topology",
    "publishing_topology",
]
