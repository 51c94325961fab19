use std::time::Duration;

use kit::{Call, Error, Result, Timestamp};
use proto::telemetry::v1 as pb;

use super::{Service, reading::equipment_ids};
use crate::{
    domain::series::{Bucket, Budget, Grid},
    store,
};

pub async fn query(
    service: &Service,
    call: Call<pb::QuerySeriesRequest>,
) -> Result<pb::QuerySeriesResponse> {
    let grid = grid(&call.message)?;
    let ids = equipment_ids(&call.message.equipment_ids)?;

    let mut db = service.read().await?;
    let all = store::reading::series_of(&mut db, &ids, &call.message.metrics).await?;
    grid.check(all.len())?;
    let mut answer = pb::QuerySeriesResponse::default();
    let mut budget = Budget::default();
    for series in all {
        let (recent, begin) = (&service.recent, service.begin(&series.metric));
        let buckets =
            store::series::buckets(&mut db, recent, series.id, &grid, begin, &mut budget).await?;
        if !buckets.is_empty() {
            answer.series.push(pb::Series {
                equipment_id: series.equipment_id.to_string(),
                metric: series.metric,
                interval: grid.interval().try_into().ok(),
                buckets: buckets.into_iter().map(pb::Bucket::from).collect(),
            });
        }
    }
    Ok(answer)
}

fn grid(request: &pb::QuerySeriesRequest) -> Result<Grid> {
    let time = |field, at: Option<&_>| match at {
        Some(at) => Timestamp::parse(field, at),
        None => Err(Error::invalid(field, "is required")),
    };
    let start = time("start_time", request.start_time.as_ref())?;
    let end = time("end_time", request.end_time.as_ref())?;
    let interval = request.interval.map(Duration::try_from).transpose();
    let interval = interval.map_err(|_| Error::invalid("interval", "must not be negative"))?;
    Grid::new((start, end), interval, request.max_points.into())
}

impl From<Bucket> for pb::Bucket {
    fn from(bucket: Bucket) -> Self {
        let mean = bucket.mean();
        let Bucket { start, min, max, last, count, .. } = bucket;
        Self { start_time: Some(start.into()), min, max, mean, last, count }
    }
}
