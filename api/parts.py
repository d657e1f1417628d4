"""The parts that one API process is built of, made once by the factory and handed to every route."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import HTTPConnection
from temporalio.client import Client

from api.observability import Metrics
from api.security.credentials import Cookies
from api.security.gate import Gate
from api.security.second_factor import SecondFactors
from api.security.sign_in import SignIn
from api.services.documents import DocumentService
from api.services.pictures import PictureService
from api.services.uploads import Prover
from db.database import Database
from mail.sealing import Sealer
from settings import Settings


@dataclass
class Parts:
    """Settings, stores and helpers of one process."""

    settings: Settings
    db: Database
    sealer: Sealer
    gate: Gate
    cookies: Cookies
    sign_in: SignIn
    second_factors: SecondFactors
    metrics: Metrics = field(default_factory=Metrics)
    # Set once the process is asked to end.
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    # Set when the lifespan begins: a client belongs to a running loop.
    temporal: Client = field(init=False)
    documents: DocumentService = field(init=False)
    pictures: PictureService = field(init=False)

    def __post_init__(self) -> None:
        # One for the process: it bounds how many images are decoded at once.
        prover = Prover()
        self.documents = DocumentService(self.db, self.settings, prover)
        self.pictures = PictureService(self.db, self.settings, prover)


def parts_of(connection: HTTPConnection) -> Parts:
    """Return the parts of the application that answers this request."""
    return cast(Parts, connection.app.state.parts)
