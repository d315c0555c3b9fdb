// @ts-check
/** The reasons why a grid may not quote, explained by the server. */

/** @typedef {{ reason: string, text: string, hint: string }} Reason */

/** Fetch all reasons by their code; null if the server does not answer. @returns {Promise<Map<string, Reason> | null>} */
export async function fetchReasons() {
  const answer = await fetch("api/reasons").catch(() => null);
  if (!answer?.ok) return null;
  /** @type {Reason[]} */
  const reasons = await answer.json();
  return new Map(reasons.map((each) => [each.reason, each]));
}
