"""Signalling: SIP messages, transactions, dialogs and the endpoint, without sockets or clocks."""
