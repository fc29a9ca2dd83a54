// What a person is asked: whether somebody is the one whom Usher takes them for, and who a stranger
// is.

import {
  assignDetection,
  listDetections,
  mergePerson,
  mergePersons,
  rejectDetection,
  updatePerson,
} from "./api/client";
import type { Detection, Person, PersonBrief } from "./api/types";

/** So many pictures are taken out as no faces at once: each is a change that undo takes back. */
export const MOST_TAKEN_OUT = 40;

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

/** These pictures show no face. */
export async function takeOut(detections: Pick<Detection, "id">[]): Promise<void> {
  for (const { id } of detections) await assignDetection(id, { not_a_face: true });
}

/** These strangers are one person, who has a name now. */
export async function nameStrangers(strangers: Person[], name: string): Promise<void> {
  const [first, ...others] = strangers;
  if (!first) return;
  if (others.length > 0) await mergePersons(first.id, idsOf(others));
  await updatePerson(first.id, { name });
}

/** These strangers are somebody whom Usher has already. */
export const joinStrangers = (strangers: Person[], personId: string) =>
  mergePersons(personId, idsOf(strangers));

/** No alert is to be sent about these strangers. */
export async function ignoreAll(strangers: PersonBrief[]): Promise<void> {
  for (const { id } of strangers) await updatePerson(id, { kind: "ignored" });
}

/** None of the pictures of these strangers shows a face. */
export async function takeOutStrangers(strangers: Person[]): Promise<void> {
  for (const { id } of strangers) {
    const { items } = await listDetections({ person_id: id });
    await takeOut(items);
  }
}

/** Whether all pictures of these strangers may be taken out at once. */
export function areFew(strangers: Person[]): boolean {
  return strangers.reduce((sum, { detections }) => sum + detections, 0) <= MOST_TAKEN_OUT;
}

const idsOf = (persons: Person[]) => persons.map(({ id }) => id);
