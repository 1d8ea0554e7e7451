import { cache } from "../api/cache";
import { session } from "../api/session";
import { clearOutbox } from "../live/outbox";
import { clearUploads } from "../live/uploads";

/** What was read and begun in one turn is gone before anything is drawn for the next. Call it once. */
export function forgetAtEveryTurn(): void {
  let turn = session.turn;
  session.subscribe(() => {
    if (session.turn === turn) return;
    turn = session.turn;
    cache.clear();
    clearOutbox();
    clearUploads();
  });
}
