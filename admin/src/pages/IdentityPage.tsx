import { Anchor, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconUsers } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { useIdentityStats } from "../api/queries";
import type { IdentityStats } from "../api/types";
import { Accuracy } from "../components/Accuracy";
import { DoubtfulReferences } from "../components/DoubtfulReferences";
import { EmptyState } from "../components/EmptyState";
import { Failure } from "../components/Failure";
import { FewPhotographs } from "../components/FewPhotographs";
import { Figures } from "../components/Figures";
import { ForManagers } from "../components/ForRoles";
import { History } from "../components/History";
import { LookAlikes } from "../components/LookAlikes";
import { PageHeader } from "../components/PageHeader";
import { Recalibrations } from "../components/Recalibrations";

/** How well Usher knows people, and what would make it better. */
export function IdentityPage() {
  const stats = useIdentityStats();
  return (
    <>
      <PageHeader title="How well Usher knows people" />
      {stats.isPending && <Skeleton height={320} role="progressbar" aria-label="Loading" />}
      {stats.isError && !stats.data && <Failure error={stats.error} retry={stats.refetch} />}
      {stats.data && <Findings stats={stats.data} />}
    </>
  );
}

function Findings({ stats }: { stats: IdentityStats }) {
  return (
    <Stack gap="xl">
      <Figures
        label="People"
        figures={{
          "People it knows": stats.persons,
          "Photographs of them": stats.references,
          Strangers: stats.strangers,
          "Waiting for your answer": stats.review,
        }}
      />
      <ForManagers>
        {stats.review > 0 && (
          <Anchor component={Link} to="/review" mt="calc(-1 * var(--mantine-spacing-lg))" fz="sm">
            Answer the questions about them
          </Anchor>
        )}
      </ForManagers>
      <Section title="How often it is wrong">
        <Accuracy stats={stats} />
      </Section>
      {stats.persons > 0 ? (
        <Improvements stats={stats} />
      ) : (
        <EmptyState icon={IconUsers} title="Usher knows nobody yet">
          Add the people who belong here under{" "}
          <Anchor component={Link} to="/people" inherit underline="always">
            People
          </Anchor>
          , with two or three photographs each.
        </EmptyState>
      )}
      <Section
        title="Adjustments"
        explanation="How much alike a face and a person must be moves a little as people come and go."
        none={stats.recalibrations.length === 0 && "None yet."}
      >
        <Recalibrations recalibrations={stats.recalibrations} />
      </Section>
      <Section title="Latest changes of who is who">
        <History empty="Nothing was changed yet." />
      </Section>
    </Stack>
  );
}

/** What a manager can do so that people are told apart better. */
function Improvements({ stats }: { stats: IdentityStats }) {
  return (
    <>
      <Section
        title="Hard to tell apart"
        explanation="Two people who look alike, or one person twice: then merge them."
        none={stats.look_alikes.length === 0 && "No two people look too much alike."}
      >
        <LookAlikes pairs={stats.look_alikes} />
      </Section>
      <Section
        title="Photographs that do not fit"
        explanation="Each makes its person harder to recognise, if it shows somebody else."
        none={stats.doubtful.length === 0 && "Every photograph fits its person."}
      >
        <DoubtfulReferences references={stats.doubtful} />
      </Section>
      <Section
        title="Too few photographs"
        explanation="Two or three different ones make somebody much easier to recognise."
        none={stats.few_references.length === 0 && "Everyone known has photographs enough."}
      >
        <FewPhotographs people={stats.few_references} />
      </Section>
    </>
  );
}

function Section({
  title,
  explanation,
  none = false,
  children,
}: {
  title: string;
  explanation?: string;
  /** What to say in place of the contents, where there are none. */
  none?: string | false;
  children: ReactNode;
}) {
  return (
    <section aria-label={title}>
      <Title order={2}>{title}</Title>
      <Text c="dimmed" fz="sm" mb="xs" maw="46rem">
        {none || explanation}
      </Text>
      {!none && children}
    </section>
  );
}
