// The review band: detections that probably show somebody known, as questions to a person.

import { assignDetection, mergePerson, rejectDetection, updatePerson } from "./api/client";
import type { Detection, PersonBrief } from "./api/types";

/** Whether these are somebody known: one picture of nobody, or all pictures of one stranger. */
export type Question = {
  key: string;
  candidate: PersonBrief;
  stranger: PersonBrief | undefined;
  /** The newest first. */
  detections: [Detection, ...Detection[]];
};

/** Whether a detection waits for somebody to say if it shows its candidate. */
export function isQuestion({ status, person, candidate }: Detection): boolean {
  if (candidate?.kind !== "known") return false;
  return status === "unidentifiable" || (status === "classified" && person?.kind === "unknown");
}

/** What a detection asks; nothing where it is settled whom it shows. */
export function questionOf(detection: Detection): Question | undefined {
  const { id, person, candidate } = detection;
  if (!candidate || !isQuestion(detection)) return undefined;
  const stranger = detection.status === "classified" ? (person ?? undefined) : undefined;
  return {
    key: `${stranger?.id ?? id} ${candidate.id}`,
    candidate,
    stranger,
    detections: [detection],
  };
}

/** The questions of a list of detections, in its order; one stranger is asked about once. */
export function questionsOf(detections: Detection[]): Question[] {
  const questions = new Map<string, Question>();
  for (const detection of detections) {
    const question = questionOf(detection);
    if (!question) continue;
    const asked = questions.get(question.key);
    if (asked) asked.detections.push(detection);
    else questions.set(question.key, question);
  }
  return [...questions.values()];
}

/** It is the candidate: so is all that was seen of the stranger. */
export const acceptCandidate = (question: Question) => give(question, question.candidate.id);

/** It is not the candidate. One picture says it for all of a stranger. */
export const rejectCandidate = ({ detections: [first], candidate }: Question) =>
  rejectDetection(first.id, candidate.id);

/** It is another person whom Usher has already. */
export async function become(question: Question, personId: string) {
  if (personId !== question.candidate.id) await rejectCandidate(question);
  await give(question, personId);
}

/** It is somebody whom Usher has no name for yet. */
export async function nameAnew(question: Question, name: string) {
  await rejectCandidate(question);
  const { stranger, detections } = question;
  const named = stranger ?? (await assignDetection(detections[0].id, { new_person: true })).person;
  if (named) await updatePerson(named.id, { name });
}

function give({ stranger, detections: [first] }: Question, personId: string): Promise<unknown> {
  return stranger
    ? mergePerson(personId, stranger.id)
    : assignDetection(first.id, { person_id: personId });
}
