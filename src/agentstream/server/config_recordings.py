"""Recordings: where they are kept, for how long, and how links to them work.

[recordings]
storage = "folder"
keep_days = 90
"""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from agentstream.server.config_section import Section, number


class RecordingsConfig(Section):
    """Where recordings are kept and for how long, and how links to them work."""

    storage: Literal["folder", "s3"] = "folder"  # s3 needs the extra of that name
    keep_days: int = Field(default=0, ge=0, le=36_500)  # 0: for ever
    keep_local: bool = False  # in the folder too, once they are in S3
    encryption_key_file: Path | None = None
    public_url: str = ""  # how others reach our HTTP interface; "": the host and port of [http]
    links: Literal["signed", "basic", "open"] = "signed"
    url_seconds: int = Field(default=604_800, ge=60, le=315_360_000)  # how long a link works
    mp3_kbps: Annotated[Literal[16, 24, 32, 40, 48, 64], BeforeValidator(number)] = 32  # a channel
    mp3_cache_mb: int = Field(default=512, ge=1)
    s3_bucket: str = ""
    s3_prefix: str = ""
    s3_endpoint: str = ""  # "": Amazon's own
    s3_region: str = ""
    s3_access_key: str = ""  # "": the credentials of the environment or of the machine
    s3_access_secret: str = ""

    @field_validator("public_url", "s3_endpoint")
    @classmethod
    def _is_plain_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            is_plain = parts.port != 0 and not (parts.query or parts.fragment or "@" in url)
        except ValueError:
            is_plain = False
        if url and not (is_plain and parts.scheme in {"http", "https"} and parts.hostname):
            raise ValueError('write it as "https://voice.example.net", without query')
        return url

    @model_validator(mode="after")
    def _has_what_s3_needs(self) -> Self:
        if self.storage == "s3" and not self.s3_bucket:
            raise ValueError("storage s3 needs s3_bucket")
        if bool(self.s3_access_key) != bool(self.s3_access_secret):
            raise ValueError("s3_access_key and s3_access_secret are set together or not at all")
        return self
