// Estimated shares in words.

import type { Estimate } from "./api/types";

const NUMBER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
const COUNT = new Intl.NumberFormat("en-GB");
const BASES = [100, 1_000, 10_000];

/** "Of 100 strangers, about 1 would be called by a name (between 0.4 and 2.1, from 212 comparisons)." */
export function estimateWords(estimate: Estimate, of: string, what: string): string {
  const { share, low, high, samples } = estimate;
  const base = baseFor(high);
  const about = share * base < 0.05 ? "hardly any" : `about ${NUMBER.format(share * base)}`;
  const range = `between ${NUMBER.format(low * base)} and ${NUMBER.format(high * base)}`;
  const basis = `from ${COUNT.format(samples)} comparison${samples === 1 ? "" : "s"}`;
  return `Of ${COUNT.format(base)} ${of}, ${about} ${what} (${range}, ${basis}).`;
}

/** Of how many one speaks, so that a share is at least one of them. */
function baseFor(share: number): number {
  return BASES.find((base) => share * base >= 1) ?? 10_000;
}
