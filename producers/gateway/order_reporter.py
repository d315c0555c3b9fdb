"""Stores what became of a request on `order.V.S.report`: the venue's answers, and orders that were not placed."""

import msgspec

from bus import Service
from producers.account.publisher import report_id
from producers.gateway.context import GatewayMetrics
from producers.gateway.exposure import Exposure
from producers.retry import Outbox
from schemas import subjects
from schemas.units import ZERO, ClientOrderId, Symbol, TimeNs, VenueId
from schemas.venue.orders import CancelRejected, OrderReport, OrderStatus, RejectReason, ReportSource


class OrderReporter:
    """Stores the reports of one symbol's orders. An order that was not placed stops counting as exposure.

    A report that `repeats` is stored even if the same one was stored before, because that one may have been lost.
    """

    def __init__(
        self, service: Service, venue: VenueId, symbol: Symbol, exposure: Exposure, metrics: GatewayMetrics
    ) -> None:
        self._log = service.log
        self._venue = venue
        self._symbol = symbol
        self._subject = subjects.order_report(venue, symbol)
        self._exposure = exposure
        self._metrics = metrics
        self._outbox = Outbox(service.bus, service.log)
        self.market_time: TimeNs = 0
        """The newest time of a step: the time of reports that do not come from the venue."""

    async def answered(self, report: OrderReport, *, repeats: bool = False) -> None:
        """Store a report with which the venue answered a request."""
        await self._store(report, ReportSource.ANSWER, repeats=repeats)

    async def rejected(self, client_order_id: ClientOrderId, reason: RejectReason, detail: str) -> None:
        """Report an order that the venue rejected."""
        report = self._end(client_order_id, OrderStatus.REJECTED, reason, detail)
        await self._store(report, ReportSource.ANSWER)

    async def not_placed(
        self, client_order_id: ClientOrderId, reason: RejectReason, detail: str, *, repeats: bool = False
    ) -> None:
        """Report an order that is not at the venue, and never will be."""
        report = self._end(client_order_id, OrderStatus.NOT_PLACED, reason, detail)
        await self._store(report, ReportSource.GATEWAY, repeats=repeats)

    async def cancel_rejected(self, client_order_id: ClientOrderId, detail: str) -> None:
        """Report a cancel that the venue rejected."""
        event = CancelRejected(
            venue=self._venue,
            symbol=self._symbol,
            client_order_id=client_order_id,
            time=self.market_time,
            detail=detail,
        )
        await self._outbox.store(self._subject, event)

    def _end(
        self, client_order_id: ClientOrderId, status: OrderStatus, reason: RejectReason, detail: str
    ) -> OrderReport:
        self._exposure.forget(self._symbol, client_order_id)
        self._metrics.refused.labels(self._symbol, reason).inc()
        self._log.info(
            "order_not_placed", client_order_id=client_order_id, status=status, reason=reason, detail=detail
        )
        return OrderReport(
            venue=self._venue,
            symbol=self._symbol,
            client_order_id=client_order_id,
            status=status,
            cumulative_quantity=ZERO,
            time=self.market_time,
            reject_reason=reason,
            detail=detail,
        )

    async def _store(self, report: OrderReport, source: ReportSource, *, repeats: bool = False) -> None:
        event = msgspec.structs.replace(report, source=source)
        # The stream drops repetitions of a message id for two minutes, even if the first one is no longer stored.
        message_id = None if repeats else report_id(report)
        await self._outbox.store(self._subject, event, message_id=message_id)
