// @ts-check
/** Codes in words, such as the reasons why a grid may not quote: the server has the table. */

/** @typedef {{ reason: string, text: string, hint: string }} Reason */

/** Fetch all reasons by their code; null if the server does not answer. @returns {Promise<Map<string, Reason> | null>} */
export async function fetchReasons() {
  const answer = await fetch("api/reasons").catch(() => null);
  if (!answer?.ok) return null;
  /** @type {Reason[]} */
  const reasons = await answer.json();
  // Of a code in several kinds, such as exposure_limit, that of not quoting comes first.
  return new Map(reasons.reverse().map((each) => [each.reason, each]));
}
