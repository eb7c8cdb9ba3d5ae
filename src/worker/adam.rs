//! Adam as Keras has it, which is not quite as PyTorch has it.
//!
//! Keras adds epsilon to sqrt(v) before the correction of the bias, not behind it (`keras/src/optimizers/adam.py`,
//! `update_step`), so neither tch's own optimizer nor PyTorch's fused kernel would follow the same curve. The state is
//! ours, for checkpoints.
//!
//! With g the gradient and t the step from 1:
//!
//! ```text
//! m += (g - m) (1 - b1)
//! v += (g² - v) (1 - b2)
//! w -= m a / (sqrt(v) + eps),   a = lr sqrt(1 - b2^t) / (1 - b1^t)
//! ```
//!
//! On a device all parameters move into one tensor before the first step, of which they are views from then on, and are
//! updated in eight kernels, whatever their number. A processor updates each parameter piece by piece, where it lies: what
//! the chain of operations computes on the way stays in a core's cache, and of the 80 bytes a weight that the chain reads
//! and writes 28 come from memory. Every number is computed by the same operations either way, so the bits are the same.

use std::{ops::Range, thread};

use tch::{Device, Kind, TchError, Tensor, no_grad};

/// Keras' defaults, all but the learning rate.
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-7;

/// Numbers at a multiple of which each parameter begins: 256 bytes, as allocators of devices have it, so that kernels find
/// the alignment that they would find in a tensor of its own.
const ALIGNMENT: i64 = 64;
/// Numbers that a core updates at once. Four such pieces fit into its second cache, and libtorch does not divide the work on
/// so few any further (`at::internal::GRAIN_SIZE`), so that no operation waits for another core.
const PIECE: i64 = 1 << 15;
/// Pieces a thread for which threads are worth their start.
const PIECES_A_THREAD: usize = 4;

/// The optimizer: two moments for each parameter.
#[derive(Debug)]
pub(crate) struct Adam {
    /// Of each parameter.
    learning_rates: Vec<f64>,
    /// Updates made.
    step: i32,
    /// Made before the first step: a network that only answers has none.
    state: Option<State>,
}

/// All parameters and where each of them lies.
#[derive(Debug)]
struct State {
    /// One for all parameters, or one for each.
    numbers: Vec<Numbers>,
    places: Vec<Place>,
    /// Zeros for the gaps between gradients.
    gap: Tensor,
    updated: Updated,
}

/// Parameters and their moments, one behind the other: f32 `[n]` each.
#[derive(Debug)]
struct Numbers {
    weights: Tensor,
    /// Running means of the gradients.
    first: Tensor,
    /// Running means of their squares.
    second: Tensor,
}

/// Numbers of one parameter that are updated together.
#[derive(Debug)]
struct Piece {
    parameter: usize,
    numbers: Range<i64>,
}

/// Where a parameter lies.
#[derive(Debug)]
struct Place {
    /// Among those of [`State::numbers`]; from a multiple of [`ALIGNMENT`].
    numbers: Range<i64>,
    /// The order of its dimensions in memory, outermost first.
    order: Vec<i64>,
}

/// How much is updated at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Updated {
    /// Neighbours of one learning rate, from gradients that are laid one behind the other for it.
    Whole,
    /// At most so many numbers of one parameter, which stays where it is.
    Pieces(i64),
}

impl Adam {
    /// An optimizer at rest, for parameters with these learning rates.
    pub(crate) fn new(learning_rates: Vec<f64>) -> Self {
        Self { learning_rates, step: 0, state: None }
    }

    /// Makes the moments of the parameters, always the same ones, before their first step. On a device it moves them into one
    /// tensor: the tensors stay, what they lie in is another. Best called while there are no gradients: memory is free then.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn prepare(&mut self, parameters: &[&Tensor]) -> Result<(), TchError> {
        if self.state.is_none() {
            let is_processor = parameters.first().is_none_or(|tensor| tensor.device() == Device::Cpu);
            let updated = if is_processor { Updated::Pieces(PIECE) } else { Updated::Whole };
            self.state = Some(State::at_rest(parameters, updated)?);
        }
        Ok(())
    }

    /// Updates made.
    pub(crate) fn updates(&self) -> u32 {
        self.step.unsigned_abs()
    }

    /// Goes on behind so many updates, for parameters and moments as they were then.
    pub(crate) fn set_updates(&mut self, updates: u32) {
        self.step = i32::try_from(updates).unwrap_or(i32::MAX);
    }

    /// The first or second moment of a parameter of this shape, by its place: a view. `None` before the first step.
    ///
    /// # Errors
    /// Where the shape is not the parameter's.
    pub(crate) fn moment(
        &self,
        place: usize,
        second: bool,
        shape: &[i64],
    ) -> Result<Option<Tensor>, TchError> {
        let Some(state) = &self.state else { return Ok(None) };
        let at = &state.places[place];
        let numbers = if state.numbers.len() == 1 { &state.numbers[0] } else { &state.numbers[place] };
        let moment = if second { &numbers.second } else { &numbers.first };
        let lying: Vec<i64> = at.order.iter().map(|&dim| shape[dim as usize]).collect();
        let mut back = vec![0; at.order.len()];
        for (from, &to) in (0..).zip(&at.order) {
            back[to as usize] = from;
        }
        let n = at.numbers.end - at.numbers.start;
        moment.f_narrow(0, at.numbers.start, n)?.f_view(&lying[..])?.f_permute(back).map(Some)
    }

    /// One update of the parameters. The gradients are spent: their memory holds what the update computes on the way.
    ///
    /// # Errors
    /// Where shapes differ, or memory is short.
    pub(crate) fn step(&mut self, parameters: &[&Tensor], gradients: Vec<Tensor>) -> Result<(), TchError> {
        self.prepare(parameters)?;
        self.step = self.step.saturating_add(1);
        let rate = |learning_rate: &f64| f64::from(rate(*learning_rate, self.step));
        let rates: Vec<f64> = self.learning_rates.iter().map(rate).collect();
        self.state.as_ref().map_or(Ok(()), |state| no_grad(|| state.update(gradients, &rates)))
    }
}

impl State {
    /// The parameters with moments of zero.
    fn at_rest(parameters: &[&Tensor], updated: Updated) -> Result<Self, TchError> {
        let mut places = Vec::with_capacity(parameters.len());
        let mut end = 0;
        for parameter in parameters {
            let n = parameter.numel() as i64;
            places.push(Place { numbers: end..end + n, order: memory_order(parameter) });
            if updated == Updated::Whole {
                end = aligned(end + n);
            }
        }
        let options = (Kind::Float, parameters.first().map_or(Device::Cpu, |tensor| tensor.device()));
        let both = parameters.iter().zip(&places);
        let numbers = no_grad(|| match updated {
            Updated::Whole => {
                let weights = Tensor::f_empty([end], options)?;
                for (parameter, place) in both {
                    let start = place.numbers.start;
                    let mut view = weights.f_as_strided(parameter.size(), parameter.stride(), start)?;
                    view.f_copy_(parameter)?;
                    // All handles of the parameter see it, and its old memory is free.
                    parameter.shallow_clone().f_set_data(&view)?;
                }
                Ok(vec![Numbers::at_rest(weights)?])
            }
            Updated::Pieces(_) => both
                .map(|(parameter, place)| {
                    Numbers::at_rest(parameter.f_detach()?.f_permute(&place.order)?.f_view([-1])?)
                })
                .collect::<Result<Vec<_>, TchError>>(),
        })?;
        Ok(Self { numbers, places, gap: Tensor::f_zeros([ALIGNMENT], options)?, updated })
    }

    fn update(&self, gradients: Vec<Tensor>, rates: &[f64]) -> Result<(), TchError> {
        let gradients = self.places.iter().zip(gradients);
        let gradients =
            gradients.map(|(place, gradient)| place.flattened(&gradient)).collect::<Result<Vec<_>, _>>()?;
        match self.updated {
            Updated::Pieces(size) => self.update_pieces(size, &gradients, rates),
            Updated::Whole => {
                let joined = self.neighbours(rates).into_iter().map(|(places, rate)| {
                    let start = self.places[places.start].numbers.start;
                    Ok((start, self.joined(places, &gradients)?, rate))
                });
                let joined = joined.collect::<Result<Vec<_>, TchError>>()?;
                // Two copies are enough for a moment.
                drop(gradients);
                let mut joined = joined.into_iter();
                joined.try_for_each(|(start, joined, rate)| self.numbers[0].update(start, joined, rate))
            }
        }
    }

    /// Divides the pieces among threads, each of which does its own one after another.
    fn update_pieces(&self, size: i64, gradients: &[Tensor], rates: &[f64]) -> Result<(), TchError> {
        let mut pieces = Vec::new();
        for (parameter, place) in self.places.iter().enumerate() {
            let n = place.numbers.end;
            let starts = (0..n).step_by(size as usize);
            pieces.extend(starts.map(|at| Piece { parameter, numbers: at..n.min(at + size) }));
        }
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
        let work = |share: &[Piece], numbers: &[Numbers], gradients: &[Tensor]| {
            no_grad(|| {
                share.iter().try_for_each(|Piece { parameter, numbers: Range { start, end } }| {
                    let gradient = gradients[*parameter].f_narrow(0, *start, end - start)?;
                    numbers[*parameter].update(*start, gradient, rates[*parameter])
                })
            })
        };
        if threads == 1 || pieces.len() < threads * PIECES_A_THREAD {
            return work(&pieces, &self.numbers, gradients);
        }
        thread::scope(|scope| {
            let mut shares = pieces.chunks(pieces.len().div_ceil(threads));
            let ours = shares.next().unwrap_or_default();
            let others: Vec<_> = shares
                .map(|share| {
                    // A handle may go to another thread, but not be seen by two.
                    let handles: Vec<Tensor> = gradients.iter().map(Tensor::shallow_clone).collect();
                    let numbers: Vec<Numbers> = self.numbers.iter().map(Numbers::shallow_clone).collect();
                    scope.spawn(move || work(share, &numbers, &handles))
                })
                .collect();
            let done = work(ours, &self.numbers, gradients);
            let ended = |other: thread::ScopedJoinHandle<'_, _>| other.join().expect("updates do not panic");
            others.into_iter().map(ended).fold(done, Result::and)
        })
    }

    /// Stretches of parameters with one rate.
    fn neighbours(&self, rates: &[f64]) -> Vec<(Range<usize>, f64)> {
        let mut stretches: Vec<(Range<usize>, f64)> = Vec::new();
        for (at, &rate) in rates.iter().enumerate().take(self.places.len()) {
            match stretches.last_mut() {
                Some((places, same)) if *same == rate => places.end = at + 1,
                _ => stretches.push((at..at + 1, rate)),
            }
        }
        stretches
    }

    /// The gradients of neighbours as the neighbours lie, zeros between them.
    fn joined(&self, places: Range<usize>, gradients: &[Tensor]) -> Result<Tensor, TchError> {
        let mut parts = Vec::with_capacity(2 * places.len());
        for at in places.clone() {
            parts.push(gradients[at].shallow_clone());
            let end = self.places[at].numbers.end;
            let gap = aligned(end) - end;
            if gap > 0 && at + 1 < places.end {
                parts.push(self.gap.f_narrow(0, 0, gap)?);
            }
        }
        Tensor::f_cat(&parts, 0)
    }
}

impl Numbers {
    fn at_rest(weights: Tensor) -> Result<Self, TchError> {
        Ok(Self { first: weights.f_zeros_like()?, second: weights.f_zeros_like()?, weights })
    }

    fn shallow_clone(&self) -> Self {
        let Self { weights, first, second } = self;
        Self {
            weights: weights.shallow_clone(),
            first: first.shallow_clone(),
            second: second.shallow_clone(),
        }
    }

    /// The chain of operations, all of them in place, for the numbers from `start` on that `gradient` is of.
    fn update(&self, start: i64, mut gradient: Tensor, rate: f64) -> Result<(), TchError> {
        let n = gradient.numel() as i64;
        let [mut weights, mut first, mut second] = [
            self.weights.f_narrow(0, start, n)?,
            self.first.f_narrow(0, start, n)?,
            self.second.f_narrow(0, start, n)?,
        ];
        // lerp(start, end, weight) is start + weight (end - start): Keras' expression, and one pass.
        let _ = first.f_lerp_(&gradient, 1.0 - BETA_1)?;
        let _ = gradient.f_square_()?;
        let _ = second.f_lerp_(&gradient, 1.0 - BETA_2)?;
        let mut change = second.f_sqrt_out(&gradient)?.f_add_scalar_(EPSILON)?;
        change = first.f_div_out(&change, &change)?.f_mul_scalar_(rate)?;
        let _ = weights.f_sub_(&change)?;
        Ok(())
    }
}

impl Place {
    /// A gradient as its parameter lies in memory, `[n]`.
    fn flattened(&self, gradient: &Tensor) -> Result<Tensor, TchError> {
        gradient.f_permute(&self.order)?.f_reshape([-1])
    }
}

/// The next place where a parameter may begin.
fn aligned(end: i64) -> i64 {
    (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// The dimensions of a tensor without gaps by their strides, largest first.
fn memory_order(tensor: &Tensor) -> Vec<i64> {
    let stride = tensor.stride();
    let mut order: Vec<i64> = (0..stride.len() as i64).collect();
    // Stable: dimensions of one element share strides with their neighbours, and stay where they are.
    order.sort_by_key(|&dim| std::cmp::Reverse(stride[dim as usize]));
    order
}

/// The step size with the correction of the bias, in f32 where Keras has f32: at the first steps 1 - b2^t loses five of its
/// digits there, and a rate computed in f64 leads to another curve.
fn rate(learning_rate: f64, step: i32) -> f32 {
    let rest = |beta: f64| 1.0 - f64::from(beta as f32).powi(step) as f32;
    learning_rate as f32 * rest(BETA_2).sqrt() / rest(BETA_1)
}

#[cfg(test)]
mod tests;
