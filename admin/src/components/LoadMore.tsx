import { Button, Center } from "@mantine/core";
import { useInViewport } from "@mantine/hooks";
import { useEffect } from "react";
import type { Continuable } from "../api/queries";

/** Continues a list when its end comes into view. The button says so, and does it again by hand. */
export function LoadMore({ list, label = "Load more" }: { list: Continuable; label?: string }) {
  const { ref, inViewport } = useInViewport<HTMLDivElement>();
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = list;

  useEffect(() => {
    if (inViewport && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) {
      void fetchNextPage();
    }
  }, [inViewport, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);

  if (!hasNextPage) return null;
  return (
    <Center mt="lg" ref={ref}>
      <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
        {label}
      </Button>
    </Center>
  );
}
