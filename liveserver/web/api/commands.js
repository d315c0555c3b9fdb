// @ts-check
/** Giving operator commands, and asking for their results. */

/**
 * The server's answer to a command, or why it was rejected.
 *
 * @typedef {object} CommandAnswer
 * @property {string} [error] a code, if the server rejected the command
 * @property {string} [what] the rejection as text
 * @property {string} [hint] what to do about it
 * @property {string} [command_id]
 * @property {string} [state]
 * @property {string} [venue]
 * @property {string} [market] the ccxt symbol
 * @property {string | null} [outcome] the engine's answer so far
 * @property {string} [detail]
 * @property {number | null} [orders_canceled] as confirmed by the venue; null where the command cancels none
 * @property {number | null} [orders_out] what is still to be canceled
 * @property {string | null} [position] what is left, in base currency
 * @property {boolean} [final] whether no other result follows
 */

/** @typedef {{ command: string, symbol: string, venue: string, reason: string, key: string, arguments: Record<string, string> }} CommandRequest `symbol` is the ccxt symbol, `key` makes a repetition harmless */

/** The time that the server waits for a final result, before it answers with what there is. */
const WAIT_S = 1;
/** A server that has not sent the newest result by then is asked again. */
const MAX_LOOKUP_MS = 5000;

/** Give a command; null without an answer from the server. @param {CommandRequest} request @returns {Promise<CommandAnswer | null>} */
export function giveCommand(request) {
  const headers = { "content-type": "application/json" };
  return answerOf(fetch("api/control", { method: "POST", headers, body: JSON.stringify({ ...request, wait_s: WAIT_S }) }));
}

/** Ask for the newest result of a command; null without an answer from the server in time. @param {string} id @returns {Promise<CommandAnswer | null>} */
export function commandResult(id) {
  return answerOf(fetch(`api/control/${encodeURIComponent(id)}`, { signal: AbortSignal.timeout(MAX_LOOKUP_MS) }));
}

/** Whether no other result follows. @param {CommandAnswer} answer */
export function isFinal(answer) {
  if (answer.error) return true;
  return answer.final ?? Boolean(answer.outcome && answer.outcome !== "accepted");
}

/** @param {Promise<Response>} request @returns {Promise<CommandAnswer | null>} */
async function answerOf(request) {
  const answer = await request.catch(() => null);
  return (await answer?.json().catch(() => null)) ?? null;
}
