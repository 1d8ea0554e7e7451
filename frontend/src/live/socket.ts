import type { Event, TextDelta } from "../api/types";

/** `waiting`: the server is away. `barred`: it answers, but no socket comes about. */
export type LinkState = "connecting" | "live" | "waiting" | "barred" | "closed";

export interface SocketPorts {
  /** The address to open, with a fresh ticket. Throws while the server is away. */
  address(): Promise<string>;
  open(address: string): WebSocket;
  /** An event of the stream, in order and without gaps. */
  onEvent(event: Event): void;
  /** More of a text that an agent is writing. */
  onText(delta: TextDelta): void;
  /** The stream cannot be continued: everything shown has to be read again. */
  onResync(): void;
  onState(state: LinkState): void;
  random?(): number;
}

const FIRST_WAIT_MS = 250;
const LAST_WAIT_MS = 8000;
/** A proxy may neither let a socket through nor refuse it. */
const GREETING_MS = 15_000;
const TOO_MANY = new Set([4429, 4430]);

/**
 * The live link to the server. Comes back by itself after any loss and continues exactly behind the
 * last event (`resume {epoch, after_seq}`); where that cannot be done it says so once.
 */
export class LiveSocket {
  readonly #ports: SocketPorts;
  #socket: WebSocket | null = null;
  #epoch: string | null = null;
  #seq = 0;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #started = false;
  #generation = 0;
  #resuming = false;
  #greeted = false;

  constructor(ports: SocketPorts) {
    this.#ports = ports;
  }

  get position(): { epoch: string | null; seq: number } {
    return { epoch: this.#epoch, seq: this.#seq };
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#connect();
  }

  stop(): void {
    this.#started = false;
    this.#generation += 1;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#socket) leave(this.#socket);
    this.#socket = null;
    this.#epoch = null;
    this.#seq = 0;
    this.#ports.onState("closed");
  }

  /** Try at once, when a retry is waited for. */
  hurry(): void {
    if (!this.#started || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#attempt = 0;
    void this.#connect();
  }

  async #connect(): Promise<void> {
    const generation = ++this.#generation;
    if (!this.#attempt) this.#ports.onState("connecting");
    let address: string;
    try {
      address = await this.#ports.address();
    } catch {
      if (generation === this.#generation) this.#retry(0, "waiting");
      return;
    }
    if (generation !== this.#generation) return;
    const socket = this.#ports.open(address);
    this.#socket = socket;
    this.#greeted = false;
    const silence = setTimeout(() => {
      if (generation !== this.#generation || this.#greeted) return;
      this.#retry(0, "barred");
      socket.close();
    }, GREETING_MS);
    socket.onmessage = (message) => {
      if (generation === this.#generation) this.#receive(socket, JSON.parse(String(message.data)));
    };
    socket.onclose = (event) => {
      clearTimeout(silence);
      if (generation === this.#generation) this.#retry(event.code, this.#greeted ? "waiting" : "barred");
    };
  }

  #receive(socket: WebSocket, message: { type: string } & Record<string, unknown>): void {
    switch (message.type) {
      case "connection_established":
        this.#established(socket, String(message["epoch"]), Number(message["seq"]));
        return;
      case "resumed":
        this.#live();
        return;
      case "resync_required":
        this.#epoch = String(message["epoch"]);
        this.#seq = Number(message["seq"]);
        this.#live();
        this.#ports.onResync();
        return;
      case "agent_delta":
        this.#ports.onText(message as unknown as TextDelta);
        return;
      case "message_accepted":
      case "error":
      case "pong":
        return;
      default:
        if (typeof message["seq"] === "number") this.#event(socket, message as unknown as Event);
    }
  }

  #established(socket: WebSocket, epoch: string, seq: number): void {
    this.#greeted = true;
    if (this.#epoch === null) {
      this.#epoch = epoch;
      this.#seq = seq;
      this.#live();
      return;
    }
    this.#resume(socket);
  }

  #resume(socket: WebSocket): void {
    this.#resuming = true;
    socket.send(JSON.stringify({ type: "resume", epoch: this.#epoch, after_seq: this.#seq }));
  }

  #event(socket: WebSocket, event: Event): void {
    if (event.seq <= this.#seq && event.epoch === this.#epoch) return;
    if (event.epoch !== this.#epoch || event.seq > this.#seq + 1) {
      if (!this.#resuming) this.#resume(socket); // a hole: ask for what is missing
      return;
    }
    this.#seq = event.seq;
    this.#ports.onEvent(event);
  }

  #live(): void {
    this.#resuming = false;
    this.#attempt = 0;
    this.#ports.onState("live");
  }

  #retry(code: number, state: "waiting" | "barred"): void {
    this.#generation += 1;
    this.#socket = null;
    this.#resuming = false;
    if (!this.#started) return;
    const random = this.#ports.random ?? Math.random;
    const base = TOO_MANY.has(code) ? LAST_WAIT_MS : FIRST_WAIT_MS * 2 ** this.#attempt;
    this.#attempt += 1;
    this.#ports.onState(state);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        void this.#connect();
      },
      Math.min(base, LAST_WAIT_MS) * (0.5 + random() / 2),
    );
  }
}

/** A browser reports the end of a socket that never opened as an error: let it open first. */
function leave(socket: WebSocket): void {
  if (socket.readyState === 0) socket.onopen = () => socket.close(1000);
  else socket.close(1000);
}
