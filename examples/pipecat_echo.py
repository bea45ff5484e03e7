"""An echo bot as a Pipecat pipeline, with Pipecat's own Exotel serializer.

    pip install 'pipecat-ai[websocket]' uvicorn
    python examples/pipecat_echo.py [--port 5001]

What the caller says comes back, with a mark after each second. A key interrupts (the serializer
turns the interruption into `clear`); `#` ends the pipeline, which closes the socket.
"""

import argparse
import json
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

app = FastAPI()


def log(kind: str, **facts: object) -> None:
    """Print one line about the call."""
    print(json.dumps({"event": kind, **facts}), flush=True)


class Echo(FrameProcessor):
    """Gives audio back; a key interrupts what is still queued."""

    def __init__(self, stream_sid: str) -> None:
        super().__init__()
        self._stream_sid = stream_sid
        self._echoed_ms = 0
        self._marks = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take one frame of the pipeline."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self._echo(frame)
        elif isinstance(frame, InputDTMFFrame):
            log("dtmf", digit=frame.button.value)
            await self.broadcast_interruption()  # type: ignore[no-untyped-call]  # Pipecat's
            if frame.button is KeypadEntry.POUND:
                await self.push_frame(EndWorkerFrame())
        else:
            await self.push_frame(frame, direction)

    async def _echo(self, heard: InputAudioRawFrame) -> None:
        await self.push_frame(
            OutputAudioRawFrame(heard.audio, heard.sample_rate, heard.num_channels)
        )
        self._echoed_ms += len(heard.audio) // 2 * 1000 // heard.sample_rate
        if self._echoed_ms // 1000 > self._marks:
            self._marks += 1
            mark = {"name": f"second-{self._marks}"}
            message = {"event": "mark", "stream_sid": self._stream_sid, "mark": mark}
            await self.push_frame(OutputTransportMessageFrame(message))


@app.websocket("/{path:path}")
async def answer(websocket: WebSocket) -> None:
    """Run one pipeline for one call."""
    await websocket.accept()
    vendor, call = await parse_telephony_websocket(websocket)
    log("start", vendor=vendor, stream_sid=call["stream_id"], call_sid=call["call_id"])
    rate_hz = int(websocket.query_params.get("sample-rate", "8000"))
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_auto_silence=False,
            audio_out_end_silence_secs=0,
            serializer=ExotelFrameSerializer(
                stream_sid=call["stream_id"],
                call_sid=call["call_id"],
                params=ExotelFrameSerializer.InputParams(exotel_sample_rate=rate_hz),
            ),
        ),
    )
    pipeline = Pipeline([transport.input(), Echo(call["stream_id"]), transport.output()])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=rate_hz, audio_out_sample_rate=rate_hz),
        idle_timeout_secs=None,
    )

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
    async def disconnected(_transport: object, _client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    log("ended", stream_sid=call["stream_id"])


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5001)
    options = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
